import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import type { Settings } from "../settings.ts";

export type World = "vm" | "cluster";

/** Ports really listened on; they differ from the settings where those say 0. */
export interface Ports {
  page: number;
  vm: number;
  cluster: number;
}

/** How browsers reach this lab server, and which origins are its own. */
export class Addresses {
  readonly #settings: Settings;
  #ports: Ports;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#ports = { page: settings.port, vm: settings.vmWebPort, cluster: settings.clusterWebPort };
  }

  set ports(ports: Ports) {
    this.#ports = ports;
  }

  /** Whether browsers come by HTTPS, to us or to the proxy in front. */
  get isSecure(): boolean {
    const { baseUrl, tlsCertFile } = this.#settings;
    return baseUrl ? new URL(baseUrl).protocol === "https:" : tlsCertFile !== undefined;
  }

  /** Origin of the page as it is printed and put into links. */
  get page(): string {
    const { baseUrl, host } = this.#settings;
    return baseUrl ? new URL(baseUrl).origin : this.#origin(reachable(host), this.#ports.page);
  }

  /** Origin on which that world's web services open, for a browser that reached us as `hostHeader`. */
  web(world: World, hostHeader: string | undefined): string {
    const { baseUrl, vmWebUrl, clusterWebUrl, host } = this.#settings;
    const given = world === "vm" ? vmWebUrl : clusterWebUrl;
    if (given) return new URL(given).origin;
    if (baseUrl) return this.#origin(new URL(baseUrl).hostname, this.#ports[world]);
    const asked = hostHeader === undefined ? undefined : hostnameOf(hostHeader);
    return this.#origin(asked ?? reachable(host), this.#ports[world]);
  }

  /** Whether a request that says it comes from `origin`, to the host `hostHeader`, comes from our own page. */
  isOwnOrigin(origin: string | undefined, hostHeader: string | undefined): boolean {
    if (origin === undefined || !URL.canParse(origin)) return false;
    const { baseUrl } = this.#settings;
    if (baseUrl) return new URL(origin).origin === new URL(baseUrl).origin;
    return new URL(origin).host === hostHeader && this.isOwnHost(hostHeader);
  }

  /**
   * Whether we are called by this name. A foreign name that somebody's DNS points at our address is not ours, or a
   * page of theirs would be of our origin.
   */
  isOwnHost(hostHeader: string | undefined): boolean {
    const name = hostHeader === undefined ? undefined : hostnameOf(hostHeader);
    if (name === undefined) return false;
    const { baseUrl, vmWebUrl, clusterWebUrl, host } = this.#settings;
    const given = [baseUrl, vmWebUrl, clusterWebUrl].flatMap((url) => (url ? new URL(url).hostname : []));
    const ours = ["localhost", host, hostname(), ...given];
    return isIP(name.replace(/^\[|\]$/g, "")) !== 0 || ours.includes(name);
  }

  #origin(name: string, port: number): string {
    const scheme = this.isSecure ? "https" : "http";
    return new URL(`${scheme}://${name}:${port}`).origin;
  }
}

/** The name in a `Host` header, in brackets where it is an IPv6 address. */
function hostnameOf(hostHeader: string): string | undefined {
  return URL.canParse(`http://${hostHeader}`) ? new URL(`http://${hostHeader}`).hostname : undefined;
}

/** An address others can use, where the server listens on all of them. */
function reachable(host: string): string {
  if (isIP(host) === 6 && host !== "::") return `[${host}]`;
  if (host !== "0.0.0.0" && host !== "::") return host;
  const outward = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => address.family === "IPv4" && !address.internal);
  return outward?.address ?? "localhost";
}
