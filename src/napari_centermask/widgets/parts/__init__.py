"""Building blocks of docks: layout, forms, pickers, messages, curves, colours. They know no session."""
