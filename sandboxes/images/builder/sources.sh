# Where Debian packages come from: the host's mirror, at run time only. POSIX sh, sourced.
suite=trixie

# The host's apt settings, for the time of the build only.
_apt_settings() {
  printf '%s\n' "${FB_APT_SETTINGS:-}" >/tmp/apt-settings
}

# The sources of the host's mirror on stdout; nothing where the host has none to inherit.
debian_sources() {
  [ -n "${FB_DEBIAN_MIRROR:-}" ] || return 0
  echo "deb $FB_DEBIAN_MIRROR $suite main"
  echo "deb $FB_DEBIAN_MIRROR $suite-updates main"
  if [ -n "${FB_DEBIAN_SECURITY_MIRROR:-}" ]; then
    echo "deb $FB_DEBIAN_SECURITY_MIRROR $suite-security main"
  fi
}
