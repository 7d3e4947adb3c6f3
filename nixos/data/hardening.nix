# The sandbox of our units. Plain data: `Service` settings as systemd spells them.
#
# { network ? false }   whether the process opens listeners or connections of its own; without, it lives on the sockets
#                       that systemd passes
{
  network ? false,
}:
{
  CapabilityBoundingSet = "";
  AmbientCapabilities = "";
  NoNewPrivileges = true;

  ProtectSystem = "strict";
  ProtectHome = true;
  PrivateTmp = true;
  PrivateDevices = true;
  PrivateMounts = true;
  PrivateUsers = true;
  DevicePolicy = "closed";
  UMask = "0027";
  RemoveIPC = true;

  ProtectProc = "invisible";
  ProcSubset = "pid";
  ProtectHostname = true;
  ProtectClock = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;
  ProtectControlGroups = true;

  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  SystemCallArchitectures = "native";
  # A refused call returns an error instead of ending the process: allocators and runtimes probe for some.
  SystemCallErrorNumber = "EPERM";
  SystemCallFilter = [
    "@system-service"
    # Whether a file is in memory: without it, files of the NAR cache are read instead of sent by the kernel.
    "cachestat"
    "~@privileged"
    "~@resources"
  ];
}
// (
  if network then
    {
      RestrictAddressFamilies = [
        "AF_UNIX"
        "AF_INET"
        "AF_INET6"
      ];
    }
  else
    {
      # A socket that systemd opened keeps the network it was opened in, and unix sockets cross the border:
      # clients and the Nix daemon are reached, nothing else is.
      PrivateNetwork = true;
      IPAddressDeny = "any";
      RestrictAddressFamilies = [ "AF_UNIX" ];
    }
)
