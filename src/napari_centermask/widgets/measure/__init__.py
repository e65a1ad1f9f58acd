"""The dock that measures cells: a table, a histogram and a scatter plot, linked with the canvas, and their export."""
