"""The bridge to detectron2, for those who have it: its models run here, and our modules in its configurations.

Nothing here is imported unless it is used, and our package never requires detectron2; docs/detectron2.md says how to install it.
"""
