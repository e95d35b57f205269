#!/bin/sh
# Installs Inventory into a root file system as an administrator would have: install.sh ROOT DATA, run as root in the
# application's folder. DATA is what will be mounted at /srv/inventory. In ROOT, /proc and /dev/shm are there.
set -eu
root=$1
data=$2
in_root() { chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }

in_root useradd --system --uid 980 --user-group --home-dir /opt/inventory --no-create-home \
  --shell /usr/sbin/nologin inventory
mkdir -p "$root/opt/inventory"
cp -r api web schema.sql "$root/opt/inventory/"
cp -rT guest/files "$root"
chown root:980 "$root/etc/inventory/api.env"
chmod 0640 "$root/etc/inventory/api.env"

mkdir -p "$root/srv/inventory"
echo '/dev/data/inventory /srv/inventory ext4 defaults,noatime,nofail,x-systemd.device-timeout=10min 0 0' >>"$root/etc/fstab"
mkdir -p "$root/tmp/exports"
cp guest/make-exports.py "$root/tmp/"
in_root python3 /tmp/make-exports.py /tmp/exports
mv "$root/tmp/exports" "$data/exports"
rm "$root/tmp/make-exports.py"
chown -R 980:980 "$data/exports"

# Who may come to the database: the application, with its password, from wherever the firewall lets in.
echo 'host inventory inventory 0.0.0.0/0 scram-sha-256' >>"$root/etc/postgresql/17/main/pg_hba.conf"
stop() { in_root pg_ctlcluster 17 main stop -m fast; }
in_root install -d -m 2775 -o postgres -g postgres /run/postgresql
# This one start must not meet another PostgreSQL on the builder's network.
in_root pg_ctlcluster 17 main start -o "-c listen_addresses=''"
trap stop EXIT
password=$(sed -n 's/^DATABASE_PASSWORD=//p' guest/files/etc/inventory/api.env)
as_postgres() { in_root runuser -u postgres -- psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 "$@"; }
as_postgres -v password="$password" <<'SQL'
CREATE ROLE inventory LOGIN PASSWORD :'password';
CREATE DATABASE inventory OWNER inventory;
SQL
{ echo 'SET ROLE inventory;'; cat schema.sql; } | as_postgres inventory
trap - EXIT
stop

# Started by its own unit rather than by a generator that has to look for clusters at each boot; after sshd.
in_root systemctl --quiet disable postgresql.service nginx.service
in_root systemctl --quiet enable postgresql@17-main.service inventory-api.service inventory-web.service
ln -sf /dev/null "$root/etc/systemd/system-generators/postgresql-generator"
