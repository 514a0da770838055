import { defineConfig } from "vite";

// Three files with fixed names, which the binary embeds. They are served uncached, so that names need no hashes.
export default defineConfig({
  base: "./",
  build: {
    target: "es2023",
    modulePreload: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        entryFileNames: "app.js",
        assetFileNames: "app.[ext]",
        codeSplitting: false,
      },
    },
  },
});
