# A word of a command line as it is, whatever systemd would read into it.
word:
"\"${
  builtins.replaceStrings [ "\\" "\"" "%" "$" ] [ "\\\\" "\\\"" "%%" "$$" ] word
}\""
