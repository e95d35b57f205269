import type { Duplex } from "node:stream";

/** Destroys a stream and waits until what is behind it is done with. */
export async function destroyed(stream: Duplex): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.once("close", resolve);
    stream.destroy();
  });
}
