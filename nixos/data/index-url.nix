# A database as its URL names it. Plain data.
#   { problem; file; connects; hasPassword; }
# `problem` names the fault and a better value; `file` is that of SQLite, or null; `connects` whether a network
# leads to it.
text:
let
  inherit (builtins) elemAt match;
  usual = {
    problem = null;
    file = null;
    connects = false;
    hasPassword = false;
  };
  postgres = match "postgres(ql)?://([^/?]*)(/[^?]*)?(\\?.*)?" text;
  authority = elemAt postgres 1;
  parameters = if elemAt postgres 3 == null then "" else elemAt postgres 3;
  user = match "(.*)@[^@]*" authority;
  host = match "(.*@)?([^@]*)" authority;
  # A socket is a directory, in the place of a host or as a parameter.
  isSocket = match ".*[?&]host=(/|%2[fF]).*" parameters != null || match "%2[fF].*" (elemAt host 1) != null;
  sqlite = match "sqlite://(/.*)" text;
in
if postgres != null then
  usual
  // {
    connects = !isSocket;
    hasPassword =
      user != null && match ".*:.+" (elemAt user 0) != null
      || match ".*[?&]password=.+" parameters != null;
  }
else if sqlite != null then
  usual // { file = elemAt sqlite 0; }
else
  usual
  // {
    problem = ''write "postgres:///database?host=/run/postgresql" for a database, or "sqlite:///a/file"'';
  }
