"""COCO instance files in and out: records, masks, polygons, repair and import of other programs' files."""
