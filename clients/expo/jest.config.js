module.exports = {
  preset: "jest-expo",
  testEnvironment: "./test/environment.js",
  setupFiles: ["./test/setup.js"],
  setupFilesAfterEnv: ["./test/patience.js"],
  testTimeout: 120_000, // a limit on waiting, no measure of speed
};
