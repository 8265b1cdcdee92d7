"""The peers: one file each, as an able user of that library would write the loop."""
