# A key of a bucket for the tests: the secret is public.
rec {
  key = "test-key";
  secret = "test-secret";
  credentials = ''
    [default]
    aws_access_key_id = ${key}
    aws_secret_access_key = ${secret}
  '';
}
