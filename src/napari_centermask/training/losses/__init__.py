"""Losses and their weights: CenterMask's, U-Net's, and the classes'."""
