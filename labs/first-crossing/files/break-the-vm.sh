# Somebody was called away in the middle of a change: a letter O in a port number, restarts switched off "to debug",
# the service taken out of the boot. The disk and the firewall are as they are on a machine that has grown old.

# On a slow host the boot may have given up on the data disk.
mountpoint -q /srv/inventory || {
  udevadm settle --timeout=60
  systemctl start srv-inventory.mount
}
sed -i 's/^PORT=8080$/PORT=8O80/' /etc/inventory/api.env
mkdir -p /etc/systemd/system/inventory-api.service.d
cat >/etc/systemd/system/inventory-api.service.d/debug.conf <<'END'
[Service]
Restart=no
END
systemctl daemon-reload
systemctl disable --quiet inventory-api.service
systemctl restart inventory-api.service || true

tries=0
until systemctl is-failed --quiet inventory-api.service; do
  tries=$((tries + 1))
  if [ $tries -gt 120 ]; then
    echo "inventory-api.service did not fail within 60 s" >&2
    exit 1
  fi
  sleep 0.5
done
