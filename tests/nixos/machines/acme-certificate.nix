# The ACME server's own certificate.
{ runCommand, openssl }:
runCommand "acme-server-certificate" { nativeBuildInputs = [ openssl ]; } ''
  mkdir $out
  openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=acme.test \
    -addext subjectAltName=DNS:acme.test -keyout $out/key.pem -out $out/cert.pem
''
