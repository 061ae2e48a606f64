"""What this machine gives: its devices and cores, its memory, and the places on its disks."""
