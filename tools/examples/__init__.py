"""Draws the example workflows in `example_workflows/` and makes their thumbnails.

    python -m sd2_depth2img.tools.examples                # write every NAME.json
    python -m sd2_depth2img.tools.examples thumbnails     # run every workflow, write NAME.jpg
    python -m sd2_depth2img.tools.examples thumbnails --only "Steal a Pose" "Second Pass"
    python -m sd2_depth2img.tools.examples depth-sheet    # docs/depth.jpg: all edits of a depth map

Run the first after a change of a workflow or of a node's inputs, the second also after a change of
the bundled checkpoint; it takes some minutes on one core. The thumbnails show what the workflows
make of `astronaut.jpg` with seed 0, nothing chosen by hand.
"""
