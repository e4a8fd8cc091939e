// Starts Scalar on the page's documents, with everything that would call elsewhere switched off.
const reference = document.getElementById("reference");

Scalar.createApiReference(reference, {
  sources: JSON.parse(reference.dataset.sources),
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: "never",
  hideClientButton: true,
  persistAuth: false,
  proxyUrl: "",
});
