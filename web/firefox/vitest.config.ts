import { defineConfig } from "vitest/config";

export default defineConfig({
  // One browser and one server, and a machine may do much else.
  test: { include: ["firefox/**/*.test.ts"], fileParallelism: false, testTimeout: 240_000, hookTimeout: 240_000 },
});
