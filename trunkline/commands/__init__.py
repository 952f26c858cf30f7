"""The commands of `trunkline`, one file each."""
