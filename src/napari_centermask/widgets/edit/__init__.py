"""The docks that correct and review cells: selection, painting, tools, keys, the queue."""
