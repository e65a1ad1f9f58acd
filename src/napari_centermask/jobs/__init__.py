"""Jobs in processes of their own: started, watched, paused, stopped and found again. Import the modules directly."""
