# A key pair for the tests: everybody has the private half.
{
  public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMY7520A9oFiCwYTW+w98lxNhZDdScLQWJpJb/BiIuII client";
  private = ''
    -----BEGIN OPENSSH PRIVATE KEY-----
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
    QyNTUxOQAAACDGO+dtAPaBYgsGE1vsPfJcTYWQ3UnC0FiaSW/wYiLiCAAAAJDzQz7j80M+
    4wAAAAtzc2gtZWQyNTUxOQAAACDGO+dtAPaBYgsGE1vsPfJcTYWQ3UnC0FiaSW/wYiLiCA
    AAAEALLKBA4t0P7eV4YkfUay/maa+RVdEDrqXZ5zkryN39bcY7520A9oFiCwYTW+w98lxN
    hZDdScLQWJpJb/BiIuIIAAAABmNsaWVudAECAwQFBgc=
    -----END OPENSSH PRIVATE KEY-----
  '';
}
