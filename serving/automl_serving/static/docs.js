// Starts Swagger on the endpoint's own description.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  validatorUrl: null, // nothing is sent to another place
  docExpansion: "list",
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  onComplete: () => (document.title = document.querySelector("h2.title")?.firstChild?.textContent ?? document.title),
});
