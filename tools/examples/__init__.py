"""Draws the example workflows in `example_workflows/` and makes their thumbnails.

    python -m sd2_depth2img.tools.examples                # write every NAME.json
    python -m sd2_depth2img.tools.examples thumbnails     # run every workflow, write NAME.jpg
    python -m sd2_depth2img.tools.examples thumbnails --only "Steal a Pose" "Second Pass"
    python -m sd2_depth2img.tools.examples depth-sheet    # docs/depth.jpg: all edits of a depth map

Run the first after a change of a workflow or of a node's inputs, the second also after a change of
the bundled checkpoint; it takes some minutes on one core. The thumbnails show what the workflows
make of `astronaut.jpg` with seed 0, nothing chosen by hand.

workflows.py    the workflows, a function each: nodes, wires, values, groups, notes
example.py      the parts that several of them have
page.py         the builder: lays a page out and writes it as ComfyUI's page would save it
thumbnails.py   runs a page in the embedded engine and puts what it shows on a square
depth_sheet.py  runs the depth-map nodes on the photo and lays the results out on one sheet
"""
