import ssh2 from "ssh2";
import { expect, test } from "vitest";
import { makeSshKeys } from "../../sandboxes/machine/ssh-keys.ts";

test("every pair of keys can be read, and belongs together", () => {
  // One of 256 would be malformed: that none of these is without care has a chance of one in three thousand.
  for (let count = 0; count < 2_048; count += 1) {
    const keys = makeSshKeys("test");
    const both = [ssh2.utils.parseKey(keys.private), ssh2.utils.parseKey(keys.public)];
    const [secret, open] = both.map((key) => (key instanceof Error ? key.message : key.getPublicSSH()));
    expect(secret).toEqual(open);
    expect(secret).toHaveLength(51);
  }
});
