# A word of a command line that systemd leaves as it is.
word:
"\"${
  builtins.replaceStrings [ "\\" "\"" "%" "$" ] [ "\\\\" "\\\"" "%%" "$$" ] word
}\""
