"""The gateway: callers' media legs in and out, paced and accounted for on one clock."""
