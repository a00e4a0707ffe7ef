[
  inputs: ["{mix,.formatter}.exs", "{bench,examples,lib,test}/**/*.{ex,exs}"],
  line_length: 98
]
