"""The rules of the product as pure values and functions: standard library only, no I/O, nothing imported from
outside."""
