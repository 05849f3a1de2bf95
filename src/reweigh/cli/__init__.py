"""The commands, one file each: parse, call, print. The only layer that prints; imports torch inside commands only."""
