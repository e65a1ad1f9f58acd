"""Jobs in separate processes: started, watched, paused, stopped and found again. Import the modules directly."""
