# A daemon of root that copies secret files for one of our accounts: launchd hands none out.
{ pkgs }:
{
  user,
  # Each copy is below it by the whole path of its file.
  directory,
  files,
}:
{
  command = pkgs.lib.escapeShellArgs (
    [
      pkgs.runtimeShell
      "${../scripts/copy-for-user.sh}"
      user
      directory
    ]
    ++ files
  );
  path = [
    pkgs.coreutils
    pkgs.diffutils
    pkgs.findutils
  ];
  serviceConfig = {
    RunAtLoad = true;
    WatchPaths = files;
    # Secrets managers turn links above the files, which is no change of theirs.
    StartInterval = 30;
    ProcessType = "Background";
  };
}
