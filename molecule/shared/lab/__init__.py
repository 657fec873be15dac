"""The lab: servers, a client, a Git server and an image mirror as containers on one machine."""
