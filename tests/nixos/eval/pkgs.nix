# A package set that is just enough to evaluate NixOS modules where a checkout has `lib` and `nixos` alone. Builders
# are derivations on /bin/bash and packages are links into /usr, so the files of a system can be read and built;
# nothing here is meant to boot.
{
  lib,
  path,
  system ? "x86_64-linux",
}:
let
  platform = lib.systems.elaborate system;

  run =
    name: attrs: script:
    lib.extendDerivation true
      {
        inherit name;
        meta = { };
        passthru = { };
        overrideAttrs =
          change:
          let
            new = if lib.isFunction change then change attrs else change;
          in
          run (new.name or name) (attrs // removeAttrs new [ "name" ]) script;
      }
      (
        derivation (
          removeAttrs attrs [
            "passthru"
            "meta"
            "nativeBuildInputs"
          ]
          // {
            inherit system;
            name = lib.strings.sanitizeDerivationName name;
            builder = "/bin/bash";
            args = [
              "-c"
              ''
                export PATH=/usr/bin:/bin
                ${script}
                :
              ''
            ];
          }
        )
      );

  text =
    name: content:
    run name {
      inherit content;
      passAsFile = [ "content" ];
    } ''cp "$contentPath" "$out"'';
  executable =
    name: content:
    run name {
      inherit content;
      passAsFile = [ "content" ];
    } ''cp "$contentPath" "$out"; chmod +x "$out"'';

  # Every output of a package is the same link.
  package =
    name:
    let
      link = run "${name}-999" { } "ln -s /usr $out" // {
        pname = name;
        version = "999";
        meta.mainProgram = name;
        bin = link;
        out = link;
        lib = link;
        dev = link;
        man = link;
        doc = link;
        info = link;
        override = _: link;
        overrideAttrs = _: link;
        passthru = { };
        outputs = [ "out" ];
      };
    in
    link;

  names = lib.splitString " " (lib.fileContents ./packages.txt);
  format = {
    type = import ./format-type.nix lib;
    generate = name: value: text name (builtins.toJSON value);
  };

  crossed = pkgs // {
    stdenv = pkgs.stdenv // {
      hostPlatform = lib.systems.elaborate (
        if platform.isAarch64 then "x86_64-linux" else "aarch64-linux"
      );
    };
    appendOverlays = _: crossed;
    __splicedPackages = crossed;
  };

  pkgs = lib.genAttrs names package // {
    _type = "pkgs";
    inherit lib path system;
    config = { };
    overlays = [ ];
    stdenv = {
      inherit system;
      hostPlatform = platform;
      buildPlatform = platform;
      targetPlatform = platform;
      cc = package "gcc" // {
        libc = package "glibc";
        bintools.dynamicLinker = "/lib64/ld-linux-x86-64.so.2";
        cc = package "gcc";
        isGNU = true;
      };
      shell = "/bin/bash";
      mkDerivation =
        given:
        let
          attrs = if lib.isFunction given then given attrs else given;
        in
        run (attrs.name or "${attrs.pname}-${attrs.version}") { } (attrs.buildCommand or "mkdir $out")
        // (attrs.passthru or { });
      inherit (platform) isLinux isx86_64 isAarch64 is64bit;
    };
    stdenvNoCC = pkgs.stdenv;
    buildPackages = pkgs;
    pkgsBuildBuild = pkgs;
    targetPackages = pkgs;
    __splicedPackages = pkgs;
    hostPlatform = platform;
    buildPlatform = platform;
    runtimeShell = "/bin/bash";
    runtimeShellPackage = package "bash";
    callPackage =
      file: args:
      let
        function = if lib.isFunction file then file else import file;
      in
      function (builtins.intersectAttrs (lib.functionArgs function) pkgs // args);
    newScope = extra: pkgs.callPackage;
    appendOverlays = _: pkgs;
    extend = _: pkgs;

    runCommand = run;
    runCommandLocal = run;
    runCommandCC = run;
    writeText = text;
    writeScript = executable;
    writeShellScript = name: content: executable name "#!/bin/bash\n${content}";
    writeShellScriptBin = name: content: pkgs.writeTextDir "bin/${name}" "#!/bin/bash\n${content}";
    writeScriptBin = pkgs.writeShellScriptBin;
    writeTextDir =
      file: content:
      run (baseNameOf file) {
        inherit content;
        passAsFile = [ "content" ];
      } ''mkdir -p "$out/${dirOf file}"; cp "$contentPath" "$out/${file}"'';
    writeTextFile =
      {
        name,
        text,
        destination ? "",
        executable ? false,
        ...
      }:
      run name {
        content = text;
        passAsFile = [ "content" ];
      } ''mkdir -p "$(dirname "$out${destination}")"; cp "$contentPath" "$out${destination}"${lib.optionalString executable "; chmod +x \"$out${destination}\""}'';
    writeShellApplication = { name, text, ... }: pkgs.writeShellScriptBin name text;
    writers.writeNginxConfig = text;
    writers.writeBash = pkgs.writeShellScript;
    writers.writeBashBin = pkgs.writeShellScriptBin;
    symlinkJoin = { name, ... }: run name { } "mkdir $out";
    buildEnv = { name, ... }: run name { } "mkdir $out";
    linkFarm = name: _: run name { } "mkdir $out";
    substituteAll = attrs: run "substituted" { } "cp ${attrs.src} $out";
    replaceVarsWith = attrs: run "replaced" { } "cp ${attrs.src} $out";
    substitute = attrs: run "substituted" { } "cp ${attrs.src} $out";
    closureInfo = _: run "closure-info" { } "mkdir $out";
    nixosOptionsDoc = _: {
      optionsJSON = pkgs.hello;
      optionsCommonMark = pkgs.hello;
    };
    makeSetupHook = { name, ... }: _: run name { } "mkdir $out";
    ensureNewerSourcesForZipFilesHook = package "hook";
    makeBinaryWrapper = package "wrapper";
    makeWrapper = package "wrapper";
    mkShell = _: package "shell";
    nixosTests = { };
    fetchFromGitHub = attrs: run attrs.repo { } "mkdir $out";
    rustPlatform.buildRustPackage = attrs: package attrs.pname // { inherit (attrs) src meta version; };

    formats = lib.genAttrs [ "toml" "json" "yaml" "ini" "keyValue" ] (_: _: format) // {
      ini = _: format;
    };

  }
  // lib.genAttrs (map (version: "postgresql_${version}") [ "14" "15" "16" "17" "18" ]) (
    name:
    let
      it = package name // {
        psqlSchema = lib.removePrefix "postgresql_" name;
        withJIT = it;
        withoutJIT = it;
        withPackages = _: it;
      };
    in
    it
  )
  // {
    linux = package "linux";
    linuxPackages = {
      kernel = package "linux" // {
        features = { };
        config = lib.genAttrs [ "isSet" "isYes" "isNo" "isModule" "isEnabled" "isDisabled" ] (_: _: true);
        kernelOlder = _: false;
        kernelAtLeast = _: true;
        modDirVersion = "999";
        override = _: pkgs.linuxPackages.kernel;
        stdenv = pkgs.stdenv;
        target = "bzImage";
        version = "999";
      };
      extend = _: pkgs.linuxPackages;
      kernelPackages = { };
      bcc = package "bcc";
    };
    linuxPackages_latest = pkgs.linuxPackages;
    linuxKernel = {
      packages = { };
      packagesFor = _: pkgs.linuxPackages;
    };
    nix = package "nix" // {
      version = "2.34.8";
    };
    nixVersions.stable = pkgs.nix;
    nixVersions.latest = pkgs.nix;
    systemd = package "systemd" // {
      version = "257";
      withCryptsetup = true;
      withEfi = true;
      withHostnamed = true;
      withImportd = true;
      withKmod = true;
      withLocaled = true;
      withMachined = true;
      withNetworkd = true;
      withPortabled = true;
      withSysupdate = true;
      withTimedated = true;
      withTpm2Tss = true;
      withUtmp = true;
      withLogind = true;
      withResolved = true;
      withTimesyncd = true;
      withOomd = true;
      withCoredump = true;
      withRepart = true;
      withSysusers = true;
      withHomed = true;
      withUserDb = true;
      withBootloader = true;
      withNspawn = true;
      kbd = package "kbd";
      kmod = package "kmod";
      util-linux = package "util-linux";
    };
    systemdMinimal = pkgs.systemd;
    glibcLocales = package "locales";
    bash = package "bash" // {
      shellPath = "/bin/bash";
    };
    bashInteractive = pkgs.bash;
    nginx = package "nginx" // {
      # As nixpkgs builds it.
      modules = [ { name = "moreheaders"; } ];
      override = _: pkgs.nginx;
      version = "1.28.0";
    };
    nginxStable = pkgs.nginx;
    xorg = lib.genAttrs [ "lndir" "xauth" "xset" ] package;
    perl = package "perl" // {
      withPackages = _: package "perl";
    };
    perlPackages = { };
    python3 = package "python3" // {
      withPackages = _: package "python3";
      pkgs = { };
    };
    python3Packages = lib.genAttrs [ "mypy" "colorama" "junit-xml" "ptpython" "remote-pdb" ] package;
    qemu_test = package "qemu_test" // {
      ga = package "guest-agent";
    };
    makeDBusConf = _: package "dbus-configuration";
    pkgsCross = {
      aarch64-multiplatform = crossed;
      gnu64 = crossed;
    };
    pkgsStatic = pkgs // {
      callPackage = _: _: package "static";
    };
    # The driver cannot be had here; its script, which is made from the evaluated machines, can.
    testers.runNixOSTest =
      test:
      let
        evaluated = (import (path + "/nixos/lib") { inherit lib; }).evalTest {
          imports = [ test ];
          hostPkgs = pkgs;
          node.pkgs = pkgs;
          defaults.documentation.enable = false;
        };
      in
      text "vm-test-${test.name}" evaluated.config.testScriptString;
  };
in
pkgs
