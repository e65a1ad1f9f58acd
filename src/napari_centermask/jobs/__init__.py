"""Work in processes of its own: started, watched, paused, stopped and found again. Import the modules; this stays light."""
