/**
 * Where the host has cgroup v1 and systemd in the node also keeps the v2 hierarchy, a node that was killed leaves its
 * pods' groups behind in v2 alone: runc removes those of v1. systemd then takes them for there, makes none in v1, and
 * the kubelet ends with "cgroup has some missing paths" each time it starts. So they go before it starts first. (Seen
 * with systemd 257, runc 1.1 and Kubernetes 1.37; with cgroup v2 there is nothing to do.)
 */
const LEFT = "/sys/fs/cgroup/unified/kubelet.slice/kubelet-kubepods.slice";

const unit = `[Unit]
Description=Forget the pods of a node that was killed
ConditionPathIsDirectory=${LEFT}

[Service]
Type=oneshot
RemainAfterExit=yes
# From the leaves up: a group goes by rmdir once it has no children, with the files the kernel shows in it.
ExecStart=-/usr/bin/find ${LEFT} -depth -type d -exec rmdir {} +
`;

const order = `[Unit]
Wants=footbridge-killed-pods.service
After=footbridge-killed-pods.service
`;

/** Paths in the node and their content. */
export const KILLED_PODS_FILES: Record<string, string> = {
  "/etc/systemd/system/footbridge-killed-pods.service": unit,
  "/etc/systemd/system/kubelet.service.d/20-footbridge-killed-pods.conf": order,
};
