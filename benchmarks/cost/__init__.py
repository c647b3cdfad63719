"""What a method costs on this machine, from an image's file to its verdict."""
