{ cache = ../machines/plain-cache.nix; }
