std = "lua54"
cache = false
max_line_length = 120
codes = true
exclude_files = { "build", "build-*" }

files["spec/**/*_spec.lua"] = { std = "+busted" }
files["examples/**/*_spec.lua"] = { std = "+busted" }
files["spec/support"] = { std = "+busted" }
files[".busted"] = { std = "lua54" }
