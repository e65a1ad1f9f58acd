"""Training from COCO data: tiles, their augmentation, and the loop. Import the modules; this stays light."""
