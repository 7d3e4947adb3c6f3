# A storage as its URL names it. Plain data.
#   import ./storage-url.nix "file:///srv/cache"   { problem = null; directory = "/srv/cache"; }
#   import ./storage-url.nix "s3://cache"          { problem = null; directory = null; }
# `problem` names the fault and a better value; `directory` is null for a bucket.
text:
let
  inherit (builtins) elemAt match;
  bad = problem: {
    inherit problem;
    directory = null;
  };
  # Two slashes are the beginning of a host, three that of a path.
  path = match "file:///*(/.*[^/]|/[^/])/*" text;
  host = match "file://([^/].*)" text;
  withKey = match "s3://[^/@]*@(.*)" text;
  bucket = match "s3://([a-zA-Z0-9._-]+)([/?].*)?" text;
in
if match "/.*" text != null then
  bad ''"${text}" is a path: write "file://${text}"''
else if path != null then
  {
    problem = null;
    directory = elemAt path 0;
  }
else if host != null then
  bad ''"${text}" names another machine: write "file:///${elemAt host 0}" for a directory of this one''
else if match "file:.*" text != null then
  bad ''"${text}" names no directory: write "file:///srv/cache" for instance''
else if withKey != null then
  bad ''a storage is named without a key: write "s3://${elemAt withKey 0}", and the key into the file of storage.credentialsFile''
else if bucket != null then
  {
    problem = null;
    directory = null;
  }
else if match "s3:.*" text != null then
  bad ''"${text}" names no bucket: write "s3://bucket?region=eu-central-1" for instance''
else if match "https?://.*" text != null then
  bad ''"${text}" is the address of a server: for a bucket write "s3://bucket?endpoint=${text}"''
else
  bad ''"${text}" is no storage: write "file:///a/directory" or "s3://bucket"''
