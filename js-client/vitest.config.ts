import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 120_000, // for properties on a busy machine
    restoreMocks: true,
    unstubGlobals: true,
  },
});
