"""A million channels on a thousand servers, in virtual time and without a network."""
