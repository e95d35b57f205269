/** Something a build needs beside its own folder; it appears at `/inputs/<path>` in the builder. */
export interface RecipeInput {
  path: string;
  /** A file or folder on this host. */
  source: string;
  /** What stands for its content in the key, where hashing it would be slow: the key of the image it came from. */
  key?: string;
}

/**
 * How one image is made. Every member is an input: change one and the image gets another key and is built anew.
 *
 * `build.sh` in `folder` runs as root in a privileged Debian 13 builder on the host's network, with
 * - `/recipe`: a copy of `folder`; `/inputs/<path>`: the inputs; `/out`: where results go; `/work`: scratch space, on a
 *   real file system (no overlay);
 * - each `settings` member as an environment variable;
 * - `/cache/apt`, `/cache/go-mod` (GOMODCACHE), `/cache/go-build` (GOCACHE): kept between builds;
 * - `. /recipe-lib/lib.sh`: `progress 0.4 "what is going on"`, and `debian_rootfs DIR packages…`, which inherits the
 *   host's package mirror.
 * Nothing of the host (mirror, proxies, certificates) may stay in `/out`.
 */
export interface ImageRecipe {
  /** `footbridge/<name>:<key>`. */
  name: string;
  /** Absolute path of the folder with `build.sh`; all files in it count. */
  folder: string;
  settings: Record<string, string>;
  inputs?: readonly RecipeInput[];
  /**
   * What `build.sh` leaves behind.
   * - `rootfs`: `/out/rootfs.tar`, imported with the `changes` (Dockerfile instructions: ENV, ENTRYPOINT, LABEL…).
   * - `context`: `/out/context/` with a Dockerfile, whose FROM is `scratch` or one of `bases` as `${BASE_<NAME>}`.
   * - `files`: only `files`, no image.
   */
  output: { kind: "rootfs"; changes?: readonly string[] } | { kind: "context" } | { kind: "files" };
  /** Images the context builds on, by the name of the build argument, e.g. `BASE_MACHINE`. */
  bases?: Record<string, BuiltImage>;
  /** Files in `/out` that are wanted on this host, relative to `/out`; they land in the cache folder. */
  files?: readonly string[];
  /** For the whole of `build.sh`. */
  timeoutMs: number;
}

/** What a recipe came to. */
export interface BuiltImage {
  name: string;
  /** The first 12 hexadecimal digits of the SHA-256 over all inputs. */
  key: string;
  /** `footbridge/<name>:<key>`; for output `files` no such image exists. */
  tag: string;
  /** Absolute paths on this host, by their path in `/out`. */
  files: Record<string, string>;
}

/** Label with the image's name on everything the builder makes. */
export const imageLabel = "footbridge.image";
