"""The main job from end to end: real data, a facility, an analysis on a Dask cluster, a plot."""
