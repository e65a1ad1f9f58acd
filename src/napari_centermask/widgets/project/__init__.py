"""The dock that works on a folder of images: its images, categories, import, export, predictions for the next images."""
