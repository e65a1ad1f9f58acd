"""The networks in torch: backbones, pyramids, heads, U-Nets, and the classifier of cells."""
