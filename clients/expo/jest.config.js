module.exports = {
  preset: "jest-expo",
  testEnvironment: "./test/environment.js",
  setupFiles: ["./test/setup.js"],
};
