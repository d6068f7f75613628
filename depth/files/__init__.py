"""Files of depth maps, in and out: PNG, TIFF, EXR, NPY, NPZ, PFM."""
