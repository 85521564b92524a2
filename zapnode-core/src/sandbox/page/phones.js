// phones
