#!/bin/sh
# Gives the pods of this node their addresses and a way to the pods of every other node, as long as it runs: a CNI
# configuration on the node's own podCIDR, a route to each other node's, and one rule that lets pods speak to the
# outside as their node. What it knows of nodes comes from a watch; everything it does may be done again.
# Beside that it keeps kube-router running, for its network policy controller and nothing else.
set -u
# Under /run, so that a node that starts again has none: pods would begin before services and policies are in force,
# and a connection to a service that is made too early hangs.
configuration=/run/cni/net.d/10-footbridge.conflist

# Traffic between pods keeps its source address: policies and learners look at it.
let_pods_out() {
  chain=FB-MASQUERADE
  iptables -w -t nat -N "$chain" 2>/dev/null
  for rule in "-d $POD_SUBNET -j RETURN" "-j MASQUERADE"; do
    # shellcheck disable=SC2086
    iptables -w -t nat -C "$chain" $rule 2>/dev/null || iptables -w -t nat -A "$chain" $rule
  done
  jump="-s $POD_SUBNET -m addrtype ! --dst-type LOCAL -j $chain"
  # shellcheck disable=SC2086
  iptables -w -t nat -C POSTROUTING $jump 2>/dev/null || iptables -w -t nat -A POSTROUTING $jump
}

# Addresses given away are kept under /run: they must not outlive the pods when the node restarts.
configure_pods() {
  mtu=$(cat /sys/class/net/eth0/mtu 2>/dev/null || echo 1500)
  wanted='{"cniVersion":"1.0.0","name":"footbridge","plugins":[
 {"type":"ptp","ipMasq":false,"mtu":'$mtu',"ipam":{"type":"host-local","dataDir":"/run/cni-ipam-state",
  "routes":[{"dst":"0.0.0.0/0"}],"ranges":[[{"subnet":"'$1'"}]]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}'
  [ "$(cat "$configuration" 2>/dev/null)" = "$wanted" ] && return
  wait_for services_in_force
  wait_for policies_in_force
  echo "pods of this node are in $1"
  printf '%s\n' "$wanted" >"$configuration.new" && mv "$configuration.new" "$configuration"
}

services_in_force() {
  iptables -w -t nat -S KUBE-SERVICES 2>/dev/null | grep -q default/kubernetes:https ||
    nft list table ip kube-proxy 2>/dev/null | grep -q default/kubernetes/tcp/https
}

policies_in_force() { iptables -w -S FORWARD | grep -q KUBE-ROUTER-FORWARD; }

# A node whose kube-proxy is broken is still to have pods, for somebody to find out.
wait_for() {
  tries=0
  until "$1"; do
    tries=$((tries + 1))
    if [ $tries -gt 150 ]; then echo "going on without $1" >&2 && return; fi
    sleep 0.2
  done
}

reach_node() {
  ip route show "$1" | grep -q "via $2 " && return
  echo "pods in $1 are behind $2 ($3)"
  ip route replace "$1" via "$2" || echo "no route to $1" >&2
}

watch_nodes() {
  template='{.metadata.name}|{.spec.podCIDR}|{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}'
  kubectl get nodes --watch --output "jsonpath=$template" |
    while IFS='|' read -r name subnet address; do
      if [ -z "$subnet" ]; then continue; fi
      if [ "$name" = "$NODE_NAME" ]; then
        configure_pods "$subnet"
      elif [ -n "$address" ]; then
        reach_node "$subnet" "$address" "$name"
      fi
    done
}

enforce_policies() {
  kube-router --run-firewall=true --run-router=false --run-service-proxy=false
}

# Both end now and then: the API server closes watches, and is away while it restarts.
keep_running() {
  while true; do
    "$1"
    sleep 1
  done
}

# Process 1 is not killed by a signal it does not handle, and a node that stops would wait for it.
trap 'trap - TERM; kill 0; exit 0' TERM
# The API server's own address: the service's works only once kube-proxy does, and a connection made before hangs.
export KUBERNETES_SERVICE_HOST="${CONTROL_PLANE_ENDPOINT%:*}" KUBERNETES_SERVICE_PORT="${CONTROL_PLANE_ENDPOINT##*:}"
let_pods_out
keep_running watch_nodes &
keep_running enforce_policies &
wait
