import { z } from "zod";

const port = z.int().min(0).max(65535);

/**
 * Every setting with its unit and default, read from the config file and `FOOTBRIDGE_…` variables by `loadSettings`.
 * The descriptions are README's.
 */
export const Settings = z
  .strictObject({
    host: z.string().default("127.0.0.1").describe("Address the lab server listens on."),
    port: port.default(8080).describe("Port of the page and its API; 0 takes a free one."),
    vmWebPort: port
      .default(8081)
      .describe(
        "Port on which web services of VMs open; one of its own keeps them out of the page's origin.",
      ),
    clusterWebPort: port.default(8082).describe("Port on which NodePorts of clusters open."),
    baseUrl: z
      .url()
      .optional()
      .describe(
        "How browsers reach the page, when a reverse proxy stands in front or by a name of your own.",
      ),
    vmWebUrl: z.url().optional().describe("How browsers reach `vmWebPort`, when that is not the same host."),
    clusterWebUrl: z
      .url()
      .optional()
      .describe("How browsers reach `clusterWebPort`, when that is not the same host."),
    trustedProxies: z
      .int()
      .min(0)
      .default(0)
      .describe("Number of reverse proxies in front whose `X-Forwarded-…` headers are believed."),
    tlsCertFile: z.string().optional().describe("PEM file of the certificate chain; needs `tlsKeyFile`."),
    tlsKeyFile: z.string().optional().describe("PEM file of its private key; needs `tlsCertFile`."),
    stateDir: z.string().describe("Where the database and keys are."),
    cacheDir: z.string().describe("Where built binaries and caches are."),
    dockerHost: z
      .string()
      .optional()
      .describe("Docker endpoint of the sandboxes; `DOCKER_HOST`, else the ordinary local one when absent."),
    networkRange: z
      .cidrv4()
      .default("10.88.0.0/16")
      .describe("Address range of the sandboxes' networks; each gets a /26 of it."),
    registry: z
      .string()
      .default("auto")
      .describe("Registry to ask for the published node image; `none` builds it from packages."),
    placement: z
      .enum(["auto", "beside", "nested"])
      .default("auto")
      .describe("Where the cluster's nodes run; `auto` is nested with KVM, else beside."),
    accelerator: z
      .enum(["auto", "kvm", "tcg"])
      .default("auto")
      .describe("What runs the VMs; `auto` is KVM where it can boot a kernel, else emulation."),
    vmTemplate: z
      .boolean()
      .default(true)
      .describe("Whether VMs start as copies of one that has booted already; otherwise each boots."),
    poolSize: z.int().min(0).default(1).describe("Sandboxes kept ready for the next learners."),
    maxSandboxes: z.int().min(1).default(50).describe("Sandboxes there may be at a time."),
    reservedMemoryMib: z
      .int()
      .min(256)
      .default(2048)
      .describe("Memory left to the host and the lab server, in MiB."),
    vmCpus: z.int().min(1).default(2).describe("CPUs of each VM."),
    vmMemoryMib: z
      .int()
      .min(512)
      .default(1536)
      .describe("Memory of each VM, in MiB; nested, that of its nodes comes on top."),
    vmDataDiskGib: z.int().min(2).default(4).describe("LVM data disk of each VM, in GiB."),
    nodes: z.int().min(1).max(3).default(1).describe("Nodes of each cluster; some labs need two."),
    nodeMemoryMib: z.int().min(1024).default(2560).describe("Memory of each node, in MiB."),
    nodeCpus: z.number().min(0.5).default(2).describe("CPUs of each node."),
    nodePids: z.int().min(256).default(4096).describe("Processes each node may have."),
    sandboxDiskGib: z
      .int()
      .min(4)
      .default(12)
      .describe(
        "Disk each sandbox's nodes and shell may use of the host, in GiB; the cluster of one that uses more is stopped.",
      ),
    cpuOvercommit: z.number().min(1).default(8).describe("How many times the host's CPUs may be promised."),
    attemptMinutes: z.int().min(5).default(240).describe("A learner's time at a lab, in minutes."),
    extensionMinutes: z.int().min(5).default(60).describe("What one extension adds, in minutes."),
    maxExtensions: z.int().min(0).default(4).describe("How often a learner may extend."),
    idleMinutes: z
      .int()
      .min(5)
      .default(120)
      .describe("A sandbox nobody has touched for so many minutes is ended."),
    egress: z.boolean().default(false).describe("Whether sandboxes reach the outside."),
    joinCode: z
      .string()
      .min(4)
      .max(64)
      .optional()
      .describe("Code with which learners join; one is made and kept when absent."),
    metricsToken: z
      .string()
      .min(16)
      .optional()
      .describe("Bearer token that `/metrics` asks for; without it only the host itself may read them."),
    logLevel: z
      .enum(["trace", "debug", "info", "warn", "error"])
      .default("info")
      .describe("How much is logged."),
  })
  .refine(({ tlsCertFile, tlsKeyFile }) => (tlsCertFile === undefined) === (tlsKeyFile === undefined), {
    path: ["tlsKeyFile"],
    message: "`tlsCertFile` and `tlsKeyFile` go together: set both or neither",
    // Told along with everything else that is wrong.
    when: () => true,
  });
export type Settings = z.infer<typeof Settings>;
